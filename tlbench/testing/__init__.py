"""The pytest plugin: runs inside a project's own suite, made once, kept between tests and sessions."""
