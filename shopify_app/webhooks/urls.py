from django.urls import path

from shopify_app.webhooks import views

urlpatterns = [
    path("shopify", views.shopify),
    path("compliance", views.compliance),
]
