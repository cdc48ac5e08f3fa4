"""The product: orchestration, storage, API, web application and command line."""
