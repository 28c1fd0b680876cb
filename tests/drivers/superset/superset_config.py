"""Superset as its manual sets it up, in a folder of the test's own."""

import os

SECRET_KEY = "a test's own, which guards nothing"
SQLALCHEMY_DATABASE_URI = f"sqlite:///{os.environ['SUPERSET_HOME']}/superset.db?check_same_thread=false"
