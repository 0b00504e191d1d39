"""Entry points, files and objects become components with validated options."""
