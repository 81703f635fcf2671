from django.urls import path, re_path

from storefront_proxy import views

urlpatterns = [
    path("recommendations", views.recommendations, name="proxy-recommendations"),
    path("clicks", views.clicks, name="proxy-clicks"),
    path("withdraw", views.withdraw, name="proxy-withdraw"),
    re_path(r"^.*$", views.missing),
]
