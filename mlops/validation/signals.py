from django.dispatch import Signal

# Sent after the commit with `shop` and `now`: what stopped the shop's training is over.
halt_ended = Signal()
