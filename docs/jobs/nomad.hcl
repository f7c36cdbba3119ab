# One shard of a suite as an instance of a Nomad batch job:
#   nomad job run -var folder=/srv/tandem docs/jobs/nomad.hcl
# and when all have ended: python3 -m junitparser merge --glob '/srv/tandem/results/*.xml' results.xml
variable "folder" {
  description = "a folder that every client has mounted: the source tree with its build"
}

variable "shards" {
  default = 8
}

variable "suite" {
  default = "docs/suites/boot.toml"
}

job "tandem-boot" {
  type = "batch"

  group "shard" {
    count = var.shards

    restart {
      attempts = 0
      mode     = "fail"
    }

    task "batch" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args = ["-c", <<-SCRIPT
          cd ${var.folder} && mkdir -p results && i=$((NOMAD_ALLOC_INDEX + 1)) &&
          exec build/tandem batch ${var.suite} -j 4 --shard $i/${var.shards} \
            --output results/$i --junit results/$i.xml
          SCRIPT
        ]
      }

      resources {
        cores  = 4
        memory = 4096
      }
    }
  }
}
