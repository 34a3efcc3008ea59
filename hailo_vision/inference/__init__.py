"""What is asked of the model, whoever asked it: conversations, prompts, the queue, answers."""
