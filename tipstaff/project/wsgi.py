"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

from tipstaff.project import processes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tipstaff.project.settings")

# A worker of the web server whose parent was killed would keep the port.
processes.follow_parent()
application = get_wsgi_application()
