from django.apps import AppConfig


class PublicConfig(AppConfig):
    name = "tipstaff.faces.public"
    label = "public"
    default_auto_field = "django.db.models.BigAutoField"
