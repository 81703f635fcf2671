from django.urls import path, re_path

from shopify_app.webhooks import views

urlpatterns = [
    path("shopify", views.shopify),
    path("compliance", views.compliance),
    re_path(r"^.*$", views.missing),
]
