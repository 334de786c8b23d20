"""The example's pages and streamend.js in Chromium, against real servers."""
