"""OpenCV on arrays: pure functions."""
