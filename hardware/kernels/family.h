// The fitted models of one kind of kernel, by variant, and what is told of each where it answers.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hardware/choose_fitted.h"
#include "hardware/kernels/fitted.h"

namespace moesim::hardware {

// What is told of a price by the roofline where `asked` was wanted.
ModelUse use_of_roofline(std::string kind, std::string asked);

template <class M>
class Family {
 public:
  struct Answer {
    std::shared_ptr<const Fitted<M>> model;  // null: the roofline must do
    ModelUse use;                            // stays where it is
  };

  // Of an implementation, "roofline" among them. `variants`: all that may be asked for.
  // Throws as Fitted.
  Family(const Device& device, const std::string& kind, const std::string& implementation,
         std::span<const std::string> variants) {
    // Many variants have one model to stand in for them, which is held once.
    std::map<std::pair<const FittedModel*, double>, std::shared_ptr<const Fitted<M>>> held;
    answers_.reserve(variants.size());
    for (const std::string& variant : variants) {
      if (implementation == kRoofline) {
        answers_.push_back({nullptr, use_of_roofline(kind, implementation)});
        continue;
      }
      const std::string asked = implementation + " " + variant;
      const Chosen chosen = choose_fitted(device, kind, implementation, variant);
      if (!chosen.model) {
        answers_.push_back({nullptr, use_of_roofline(kind, asked)});
        continue;
      }
      auto& model = held[{chosen.model, chosen.doubt}];
      if (!model) model = std::make_shared<const Fitted<M>>(*chosen.model, chosen.doubt);
      answers_.push_back({model, model->use(kind, asked)});
    }
  }

  // Of the variant at that place of the list.
  const Answer& of(std::size_t variant) const { return answers_[variant]; }
  std::span<const Answer> answers() const { return answers_; }

 private:
  static constexpr std::string_view kRoofline = "roofline";
  std::vector<Answer> answers_;
};

}  // namespace moesim::hardware
