"""The front's faces: intake, API, pages. Nothing here imports River."""
