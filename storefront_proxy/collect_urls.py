from django.urls import path, re_path

from storefront_proxy import collect, views

urlpatterns = [
    path("events", collect.events, name="collect-events"),
    re_path(r"^.*$", views.missing),
]
