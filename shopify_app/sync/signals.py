"""News that sync tells upward."""

from django.dispatch import Signal

# Sent once per import with `shop`: the whole history is in the event log.
history_imported = Signal()
