from django.urls import path, re_path

from shopify_app.home import grant, views

urlpatterns = [
    path("", views.page),
    path("auth/begin", grant.begin),
    path("auth/callback", grant.callback),
    path("auth/bounce", views.bounce),
    # Client-side routes: words without a dot, outside the rooms that have their own addresses.
    re_path(r"^(?!api/|proxy/|webhooks/|static/|auth/)(?P<path>[a-z0-9_-]+(?:/[a-z0-9_-]+)*)$", views.page),
]
