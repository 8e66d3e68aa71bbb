"""Attacks and benign months for NordPass detections: see the README beside this package."""
