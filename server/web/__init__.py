"""The aiohttp kernel: middlewares, templates, forms, languages, OpenAPI. Knows no feature."""
