"""The one evaluator that scores predicted maps against observed ones."""
