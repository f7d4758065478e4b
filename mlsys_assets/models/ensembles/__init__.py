"""Ensembles: several models that answer together, and how much they err alike (Huyen 2022, ch. 6).

A good member here is a candidate that holds others, is told by their recipes how to be refitted, and says what it
gains over its best part. It gains where its parts err on different rows, which ``error_correlation`` shows.

Bagging and stacking stand here. Boosting is a candidate of its own: ``LightGBM``. AdaBoost, a random forest and any
other ensemble of scikit-learn are estimators like others and need nothing from here.
"""
