"""Folders with everything that training needs: `lungo finetune`, and `lungo grow --task` for a new task."""
