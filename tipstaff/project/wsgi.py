"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from tipstaff.project import environment, processes, proxies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tipstaff.project.settings")

# A worker of the web server whose parent was killed would keep the port.
processes.follow_parent()
application = proxies.Believing(get_wsgi_application(), environment.networks("proxies"))
# Every page is imported now: one that cannot be ends the worker with a traceback, not each request with an empty 500.
_ = get_resolver().url_patterns
