// How a model's card is printed for people: a table with a column a model.
#pragma once

#include <string>
#include <vector>

#include "tools/moesim/command.h"
#include "workloads/memory/model_card.h"

namespace moesim::tools {

Command card_command();
Command memory_command();

// Plain columns, or a Markdown table.
enum class TableStyle { Text, Markdown };
std::string to_table(const std::vector<workloads::ModelCard>& cards, TableStyle style);

}  // namespace moesim::tools
