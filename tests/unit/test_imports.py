"""What the processes load: each import costs all of them time and memory."""

import subprocess
import sys


def test_a_consumer_loads_neither_the_http_side_nor_the_database() -> None:
    """Three consumers, their pools and the scheduler start with what this imports."""
    program = "import sys, project.consumer; print({'fastapi', 'starlette', 'uvicorn', 'alembic', 'sqlalchemy', 'psycopg'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"
