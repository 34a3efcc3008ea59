"""The HTTP side: a Sanic application, what its connections may cost, and the dialects that it speaks.

A dialect is a folder (openai): the types that it reads and writes, and one handler for each route.
"""
