from django.apps import AppConfig


class TrafficConfig(AppConfig):
    name = "tipstaff.sensors.traffic"
    label = "traffic"
    default_auto_field = "django.db.models.BigAutoField"
