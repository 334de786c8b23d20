"""What can be watched: the metrics' definitions, the counts, the collector, the log's masks."""
