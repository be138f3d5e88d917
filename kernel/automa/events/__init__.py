"""Events: written with the change they tell of, delivered after it is durable."""
