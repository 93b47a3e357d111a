"""Yunkan: self-hosted service for video-based remote inspection."""

__version__ = "0.1.0"
