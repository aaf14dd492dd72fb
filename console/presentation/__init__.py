"""From what the engine says to text: pure functions, no screen and no terminal behind them."""
