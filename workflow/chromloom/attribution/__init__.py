"""Which bins drive the predicted map: integrated gradients, and their sums over elements."""
