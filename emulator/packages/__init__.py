"""What a real Pi fetches from the internet, made here: the vendor's archive, the model, hailo-apps.

``build.ensure`` puts all of it into one folder that any HTTP server can serve.
"""
