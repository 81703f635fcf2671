from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Beside the writers: the log of a large shop has millions of rows."""

    atomic = False
    dependencies = [
        ("features", "0007_told_at"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="eventrecord",
            index=models.Index(fields=["shop", "kind", "subject_id"], name="event_of_subject"),
        ),
    ]
