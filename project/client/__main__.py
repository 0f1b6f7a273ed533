"""`python -m project.client`."""

import sys

from project.client.cli import main

sys.exit(main())
