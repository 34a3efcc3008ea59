"""The HTTP side: a Sanic application, limits for its connections, and the dialects of the API.

A dialect is a folder (openai, ollama): the types that it reads and writes, and one handler for each route.
"""
