"""OpenAI's API, and the routes that share its manners."""
