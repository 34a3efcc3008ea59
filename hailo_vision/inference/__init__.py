"""The service without HTTP, the same for every dialect: requests, prompts, the queue, answers."""
