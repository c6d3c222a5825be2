// How a model's card is printed: as JSON, and as a table for people with a column a model.
#pragma once

#include <string>
#include <vector>

#include "sim/io/json.h"
#include "tools/moesim/command.h"
#include "workloads/model_card.h"

namespace moesim::tools {

Command card_command();

sim::io::Json to_json(const workloads::ModelCard& card);

// Plain columns, or a Markdown table.
enum class TableStyle { Text, Markdown };
std::string to_table(const std::vector<workloads::ModelCard>& cards, TableStyle style);

}  // namespace moesim::tools
