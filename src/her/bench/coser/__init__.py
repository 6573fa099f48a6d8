"""CoSER: given-circumstance acting, simulated with our own actor and judged on four dimensions, under two presets."""
