"""The built-in plugins, registered through entry points exactly as anybody else's."""
