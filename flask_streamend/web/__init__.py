"""The pages the extension serves."""
