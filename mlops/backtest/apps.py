from django.apps import AppConfig


class BacktestConfig(AppConfig):
    name = "mlops.backtest"
    label = "backtest"
