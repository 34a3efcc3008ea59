"""Images: from what a client sends to the frames that the model gets."""
