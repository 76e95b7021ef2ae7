"""The WSGI application that granian serves."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from tipstaff.project import bodies, environment, processes, proxies, turns

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tipstaff.project.settings")

# A worker of the web server whose parent was killed would keep the port.
processes.follow_parent()
django = get_wsgi_application()
pages = turns.InTurn(django, environment.number("web_threads"))
application = proxies.Believing(bodies.Measured(pages, settings.DATA_UPLOAD_MAX_MEMORY_SIZE), environment.networks("proxies"))
# Every page is imported now: one that cannot be ends the worker with a traceback, not each request with an empty 500.
_ = get_resolver().url_patterns
