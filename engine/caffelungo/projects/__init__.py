"""Folders with everything that a training needs: `lungo finetune`, and `lungo grow --task` for a further task."""
