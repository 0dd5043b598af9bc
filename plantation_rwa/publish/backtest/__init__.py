"""What a backtest is shown as: figures and the model card, drawn from its published tables."""
