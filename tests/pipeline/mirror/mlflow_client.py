"""Run by the interpreter of .venv-mlflow: what MLflow's own client sees of an experiment and a model, as JSON."""

import json
import sys

from mlflow import MlflowClient

client = MlflowClient(tracking_uri=sys.argv[1], registry_uri=sys.argv[1])
name = sys.argv[2]
experiment = client.get_experiment_by_name(name)
runs = client.search_runs([experiment.experiment_id], max_results=1000)
study = next(run for run in runs if run.data.tags["headrace.kind"] == "tuning")
trials = client.search_runs(
    [experiment.experiment_id],
    f"tags.mlflow.parentRunId = '{study.info.run_id}'",
    order_by=["metrics.`valid.auc` DESC"],
)
best = trials[0]
version = client.get_model_version_by_alias(name, "champion")
print(  # noqa: T201 - the answer of this program
    json.dumps(
        {
            "runs": len(runs),
            "trials": [run.info.run_name.rpartition(" ")[0] for run in trials],
            "parameters": best.data.params,
            "metrics": best.data.metrics,
            "tags": best.data.tags,
            "status": best.info.status,
            "seconds": (best.info.end_time - best.info.start_time) / 1000,
            "start": best.info.start_time,
            "curve": [(one.step, one.value) for one in client.get_metric_history(best.info.run_id, "curve/valid.auc")],
            "version": version.version,
            "version_tags": version.tags,
            "version_run": client.get_run(version.run_id).data.tags["headrace.run"],
        }
    )
)
