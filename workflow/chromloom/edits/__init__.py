"""What an edit of the genome is: its description, readers, and the edited chromosome it makes."""
