-- A database for each that keeps something: Dagster's history, the record of decisions and models, MLflow's runs.
CREATE DATABASE dagster;
CREATE DATABASE operations;
CREATE DATABASE mlflow;
