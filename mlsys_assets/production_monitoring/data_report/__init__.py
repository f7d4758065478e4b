"""A report by Evidently on a tick's data: of another's making, beside the diagnosis, and never in its way."""
