#!/bin/sh
# One shard of a suite as a task of a Slurm array:
#   sbatch --array=1-8 docs/jobs/slurm.sh
# and when all have ended: python3 -m junitparser merge --glob 'results/*.xml' results.xml
#SBATCH --job-name=tandem-boot
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=00:30:00
#SBATCH --output=tandem-boot-%a.txt
set -eu
mkdir -p results
exec srun tandem batch "${SUITE:-docs/suites/boot.toml}" --set "guests=${GUESTS:-build}" \
  -j "${SLURM_CPUS_PER_TASK:-1}" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
  --output "results/$SLURM_ARRAY_TASK_ID" --junit "results/$SLURM_ARRAY_TASK_ID.xml"
